//! Providers: the wire formats of LLM APIs, and the HTTP client that carries them.
