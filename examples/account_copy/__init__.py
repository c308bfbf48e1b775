"""What export_account.py and restore_account.py share: the folder, the tables' definitions and their rows."""
