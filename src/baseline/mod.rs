//! What is normal: one baseline for each principal, and what is known of the addresses they use.
//!
//! Refuses to judge. Everything here is bounded where it is defined, because its input is written
//! by attackers.

pub mod account;
pub mod address;
pub mod addresses;
pub mod causes;
pub mod departed;
pub mod features;
pub mod lesson;
pub mod makers;
mod maturity;
pub mod peers;
pub mod population;
pub mod prevalence;
pub mod stolen;

pub use account::{Account, Predecessor};
pub use address::Address;
pub use addresses::Addresses;
pub use causes::Causes;
pub use departed::Departed;
pub use maturity::{Learning, Maturity};
pub use peers::Peers;
pub use population::Population;
pub use prevalence::Prevalence;
pub use stolen::Stolen;
