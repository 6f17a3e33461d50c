peftgrid --version
