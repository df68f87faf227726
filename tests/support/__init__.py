"""What several test modules share. Nothing here is imported by the program."""
