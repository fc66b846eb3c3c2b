"""What may be typed after `recipe`: the commands, their options and examples, and what TAB offers."""
