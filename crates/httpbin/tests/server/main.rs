//! The server as its clients see it, over plain sockets.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod broken;
#[cfg(test)]
mod chat;
#[cfg(test)]
mod client;
#[cfg(test)]
mod data;
#[cfg(test)]
mod download;
#[cfg(test)]
mod echo;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod paths;
#[cfg(test)]
#[cfg(unix)]
mod program;
#[cfg(test)]
mod robust;
#[cfg(test)]
mod stats;
#[cfg(test)]
mod waiting;
