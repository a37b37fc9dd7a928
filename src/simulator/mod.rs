//! The simulator: a loopback server that speaks the OpenAI API and makes up its answers.
