"""Signalbox: takes trading signals in once, keeps them, and draws the charts that go with them."""
