collect_ignore = ["with_qlib"]  # pyqlib is not installed here: test_with_qlib runs them where it is
