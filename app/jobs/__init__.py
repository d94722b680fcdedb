"""What is to be done, for those who run the service: charts and events seen as jobs."""
