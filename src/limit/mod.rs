//! Rate limits: requests and tokens per minute, held in any sliding minute.
