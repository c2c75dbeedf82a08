"""Where logins rest: one store, which all processes of a user share."""
