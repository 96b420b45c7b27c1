"""Where settings become stages: the only room that reads them and builds what a task works with."""
