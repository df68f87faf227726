"""What the AWS backends share: `client.connect`, behind which retries, deadlines and errors stand once."""
