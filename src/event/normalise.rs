//! Wire form -> AuditEvent.
