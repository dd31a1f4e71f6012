"""What there is: servers, environments, applications, and what belongs where. Every change takes an actor and is audited."""
