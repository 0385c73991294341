"""What a training of faces will take, before it is begun: memory, time and traffic of each process."""
