"""Training: the loop, what it works on, how it is evaluated, and many trainings side by side."""
