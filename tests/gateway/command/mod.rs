//! The command as an operator meets it: the real binary, a clean environment, exit codes and what it prints.

mod check;
mod health;
mod help;
mod serve;
mod stand_in;
mod traces;
mod usage;
