"""What `rollforward experiments` and `rollforward runs` share: finding, showing, exporting."""
