"""Operations: short looks at servers. Each kind is one module; `running` claims, keeps the deadline, and ends."""
