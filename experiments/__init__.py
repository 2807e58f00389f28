"""What is asked, and how it is run: studies, trials, engines, the command `longdep`."""
