//! The resizer from outside: the library on a free port, and the real binary with its signals and its memory.

mod process;
mod refusals;
mod support;
mod upload;
