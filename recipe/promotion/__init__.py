"""Challenger against champion: the contest, the rule, and who was champion when."""
