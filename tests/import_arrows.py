"""The import arrows of the house, which tests/test_imports.py holds."""

# Who may import whom, without the library's name before it. The longest name that a module lies in is its
# room. Modules of a room may import one another and what stands here, and together they use all of that;
# everything else of ours is refused, a room inside the room or around it too.
ARROWS = {
    # The ground floor.
    "errors": "",
    "words": "",
    "files": "",
    "plot_style": "",
    "environment": "",
    "path_checks": "errors",
    "outputs": "files path_checks",
    "shares": "errors outputs path_checks",
    "pages": "words",
    "common_start": "",
    "processes": "common_start errors words",
    "side_by_side": "",
    "precision": "processes",
    "kfold": "errors",
    "model_files": "errors",
    # The rooms.
    "mhe": "",
    "config": "errors words",
    "held_rows": "files",
    "stored_rows": "errors held_rows model_files",
    "checkpoint": "errors files held_rows model_files stored_rows",
    "weights": "checkpoint config data.trained_on errors files held_rows model_files words",
    "data.formats": "errors files words",
    "data": "config data.formats errors outputs words",
    "networks": "config errors",
    "losses": "config.losses losses.dense_head losses.head losses.rows losses.sampled_head "
    "mhe.repeatable processes",
    "losses.rows": "held_rows processes stored_rows",
    "losses.head": "losses.output",  # a head knows no margin's rule
    "losses.dense_head": "losses.angle losses.head losses.output losses.prototypes",
    "losses.streaming": "losses.head losses.prototypes mhe",
    "losses.streamed_head": "losses.angle losses.dense_head losses.head losses.output losses.prototypes "
    "losses.streaming mhe.repeatable",
    "losses.sampled_head": "losses.head losses.output losses.rows mhe.sampled",
    "losses.which_head": "config.losses losses.dense_head losses.head losses.streamed_head",
    "losses.exchange": "processes",
    "losses.shared_rows": "errors held_rows processes stored_rows",
    "losses.sharded_head": "losses.angle losses.exchange losses.head losses.output losses.shared_rows "
    "losses.streamed_head losses.streaming processes",
    "losses.gan": "",
    "onnx_import": "config data errors model_files",
    "embedding": "config data errors model_files networks onnx_import precision processes weights",
    "hub": "config embedding errors files model_files weights words",
    "pretrained": "checkpoint config data errors files model_files networks weights words",
    "export": "config embedding errors files hub model_files onnx_import path_checks weights words",
    "training": "checkpoint config data embedding errors files kfold losses mhe model_files networks "
    "held_rows precision processes stored_rows training.finetuning training.loop weights words",
    "training.loop": "training.pace",
    "training.finetuning": "config data.crops data.faces data.trained_on errors losses.annealing "
    "mhe.repeatable networks weights words",
    "sphere": "commands.progress errors files mhe outputs plot_style words",
    "plan": "config data.crops errors losses mhe.matrix_products networks precision processes training words",
    "reproduce": "checkpoint config data environment files networks outputs path_checks plot_style precision "
    "processes side_by_side training words",
    # The commands: each on what it starts.
    "commands.progress": "",
    "commands.cluster": "commands.progress errors path_checks shares",
    "commands.ending": "errors",
    "commands.model_options": "",
    "commands.model_argument": "commands.progress config data embedding precision processes",
    "commands.embed_into": "commands.embed_share commands.progress data embedding outputs path_checks "
    "processes shares words",
    "commands.embed_share": "commands.progress data embedding outputs shares words",
    "commands.convert": "outputs path_checks pretrained",
    "commands.describe": "checkpoint config model_files training weights",
    "commands.embed": "commands.cluster commands.embed_into commands.model_argument commands.model_options "
    "commands.progress data embedding model_files path_checks processes shares",
    "commands.export": "export model_files outputs",
    "commands.settings_help": "config training",
    "commands.training": "config training words",
    "__main__": "commands model_files plan processes reproduce sphere",
    "data_prep": "commands.progress data.crops data.faces data.folder_notes data.formats data_prep.drawn "
    "data_prep.pairs errors files outputs pages path_checks shares words",
    "data_prep.__main__": "commands.cluster commands.ending commands.model_options commands.progress "
    "data_prep.align data_prep.align_report data_prep.doctor.command data_prep.doctor.drop "
    "data_prep.draw_command data_prep.layouts data_prep.options data_prep.pack_commands "
    "data_prep.pairs_command data_prep.settings data_prep.shares model_files outputs path_checks shares "
    "words",
    "data_prep.pack_commands": "commands.cluster commands.ending commands.progress data_prep.options "
    "data_prep.packing data_prep.packing_tars data_prep.unpacking outputs path_checks shares words",
    "data_prep.doctor": "commands.model_argument commands.progress data.crops data.faces data.formats "
    "data.streams data_prep.doubts data_prep.dropped data_prep.errors data_prep.packing embedding errors "
    "files pages path_checks words",
    "data_prep.drawing": "",
    "data_prep.drawn": "data.streams data_prep.drawing data_prep.errors data_prep.landmarks_file "
    "data_prep.workers files outputs words",
    "data_prep.pairs": "config data.faces data.formats.keys data.trained_on "
    "data_prep.earlier_split data_prep.errors data_prep.pair_choice data_prep.whole_crops files words",
    "data_prep.earlier_split": "data.formats.names words",
    "data_prep.whole_crops": "data.crops data.faces data.formats.packs data_prep.alignment data_prep.errors "
    "data_prep.workers",
    "data_prep.pair_choice": "data.streams data_prep.errors data_prep.pairing words",
    "data_prep.pairing": "",
    # What is measured: eval prepares raw photos with data_prep; the k-fold accuracy is the library's, as
    # training uses it too. First the numbers, then commands that share eval/, then the rooms of others.
    "eval.resolutions": "",
    "eval.statistics": "eval.resolutions",
    "eval.people": "data.formats.pairs data.trained_on",
    "eval.intervals": "eval.people",
    "eval.paired_difference": "data.streams eval.intervals eval.people",
    "eval.threshold_intervals": "eval.intervals eval.statistics",
    "eval.threshold_differences": "eval.intervals eval.threshold_intervals",
    "eval.options": "commands.model_options",
    "eval.ranks": "commands.ending processes",
    "eval.rows": "",
    "eval.scores": "eval.errors eval.rows",
    "eval.search": "eval.errors eval.ranks eval.rows eval.scores processes",
    "eval.tallies": "eval.scores eval.search processes",
    "eval.impostors": "eval.scores eval.search eval.tallies processes",
    "eval.enrolled": "eval.errors eval.rows eval.scores eval.search eval.tallies processes",
    "eval.search_statistics": "eval.impostors eval.intervals eval.statistics eval.threshold_intervals",
    "eval": "commands.cluster commands.embed_into commands.model_argument commands.model_options "
    "commands.progress config data.crops data.formats data.listed_crops data.trained_on data_prep.align "
    "data_prep.cropping data_prep.dropped data_prep.errors data_prep.folders data_prep.images "
    "data_prep.layouts data_prep.settings data_prep.turning embedding environment errors eval.intervals "
    "eval.options eval.paired_difference eval.people eval.ranks eval.resolutions eval.statistics "
    "eval.threshold_differences eval.threshold_intervals files kfold model_files outputs pages path_checks "
    "plot_style precision processes shares words",
    "eval.__main__": "commands.ending eval.compare eval.embed_command eval.gan.command "
    "eval.identify.command eval.identify.compare eval.identify.report_fields eval.identify.who_command "
    "eval.ijb.command eval.ijb.compare eval.ijb.report_fields eval.megaface.command eval.megaface.compare "
    "eval.megaface.report_fields eval.paper.command eval.ranks eval.report_files eval.same_command "
    "eval.seeds eval.study.command eval.verify_command outputs path_checks",
    "eval.identify": "commands.model_argument commands.model_options commands.progress data.crops "
    "data.face_folders data.formats data.listed_crops data.streams data.trained_on data_prep.layouts "
    "data_prep.settings embedding environment eval.compare eval.differences eval.enrolled eval.errors "
    "eval.example_photos eval.group_words eval.groups eval.intervals eval.model eval.one_photo eval.options "
    "eval.photos eval.plots eval.public eval.rendering eval.report_fields eval.report_files eval.report_fit "
    "eval.resolutions eval.rows eval.scores eval.search eval.search_statistics eval.statistics eval.tallies "
    "eval.threshold_differences eval.threshold_words eval.training_photos files model_files outputs "
    "path_checks plot_style words",
    "eval.megaface": "commands.model_argument commands.model_options commands.progress data.formats "
    "data.streams data.trained_on environment eval.compare eval.differences eval.errors eval.example_photos "
    "eval.group_words eval.groups eval.identify.groups eval.identify.numbers eval.identify.page "
    "eval.identify.plots eval.impostors eval.intervals eval.model eval.options eval.photos eval.plots "
    "eval.public eval.rendering eval.report_fields eval.report_files eval.resolutions eval.rows eval.scores "
    "eval.search eval.search_statistics eval.statistics eval.tallies eval.threshold_intervals "
    "eval.threshold_words eval.training_photos files model_files outputs path_checks processes words",
    "eval.ijb": "commands.model_argument commands.model_options commands.progress data.formats "
    "data.trained_on environment eval.compare eval.differences eval.groups eval.identify.plots "
    "eval.group_words eval.identify.words eval.ijb.galleries eval.ijb.pairs eval.ijb.rows eval.ijb.subjects "
    "eval.ijb.templates eval.model eval.options eval.photos eval.plots eval.public eval.rendering "
    "eval.report_fields eval.report_files eval.resolutions eval.search_statistics eval.statistics "
    "eval.threshold_differences eval.threshold_words eval.training_photos files model_files outputs "
    "path_checks words",
    "eval.ijb.subjects": "eval.groups eval.identify.numbers eval.intervals eval.search_statistics "
    "eval.threshold_intervals",
    "eval.ijb.templates": "data.formats.ijb",
    "eval.ijb.rows": "data.formats.ijb",
    "eval.ijb.pairs": "eval.ijb.subjects eval.scores eval.statistics eval.threshold_intervals",
    "eval.ijb.galleries": "data.formats.ijb eval.enrolled eval.groups eval.identify.groups "
    "eval.identify.numbers eval.ijb.subjects eval.resolutions eval.search_statistics",
    "eval.study": "checkpoint commands.model_options config data.faces data.formats environment errors "
    "eval.compare eval.intervals eval.people eval.plots eval.statistics files mhe outputs path_checks "
    "plot_style precision processes side_by_side training.logs words",
    "eval.gan": "checkpoint commands.model_options commands.progress config data.image_sets data.images "
    "data.noise data.squares data.streams environment errors eval.gan.measures eval.plots eval.public "
    "eval.rendering eval.seeds files mhe model_files networks outputs pages path_checks plot_style "
    "processes training.folder training.gan_collapse training.gan_result training.logs training.samples "
    "weights",
    "eval.gan.measures": "errors",
    "eval.paper": "commands.model_argument commands.model_options config eval.lfw eval.megaface.run "
    "eval.megaface.sets eval.megaface.sides eval.model eval.plots eval.report_files eval.resolutions "
    "eval.verify files outputs path_checks plot_style words",
}
