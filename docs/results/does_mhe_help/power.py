"""How small an effect the studies of docs/does_mhe_help.md can show: the table of that page.

    python docs/results/does_mhe_help/power.py

Of a paired comparison over seeds by Student's t, and of one over people by the normal distribution; power
0.8. Holm's first step divides 0.05 by the number of comparisons, its last step does not. Where no difference
can be found, since none is above the share on which two models disagree, there is a dash.
"""

from __future__ import annotations

import math

from eval.study.numbers import detectable, detectable_by_people

SEEDS = (5, 6, 8)
DEVIATIONS = (0.1, 0.3, 1.0)
"""Of one seed's difference, points; in the earlier study on 629 people it was 0.06, 0.27 and 1.1 with the
weights 10, 100 and 1,000."""
TRIALS = {
    "1,000 pairs": 1000,
    "1,997 searches, which count as 800": 800,
    "6,000 searches, which count as 4,500": 4500,
}
DISCORDANT = (0.01, 0.03, 0.1)
"""Share on which two models disagree."""


def main() -> None:
    alphas = (0.05 / 12, 0.05)
    print("| seeds | deviation of a seed's difference | first step of Holm, 12 arms | alone |")
    print("|---|---|---|---|")
    for seeds in SEEDS:
        for deviation in DEVIATIONS:
            found = (detectable(deviation, seeds, alpha) for alpha in alphas)
            print(f"| {seeds} | {deviation} | {' | '.join(f'{each:.2f}' for each in found)} |")
    print("\n| people's | they disagree on | first step of Holm, 12 arms | alone |")
    print("|---|---|---|---|")
    for words, trials in TRIALS.items():
        for discordant in DISCORDANT:
            found = (100 * detectable_by_people(discordant, trials, alpha) for alpha in alphas)
            cells = " | ".join("-" if math.isnan(each) else f"{each:.2f}" for each in found)
            print(f"| {words} | {100 * discordant:.0f} % | {cells} |")


if __name__ == "__main__":
    main()
