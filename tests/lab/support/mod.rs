//! What the end-to-end tests share: the lab, a stage per test, and what is watched on it.

pub mod beats;
pub mod fence;
pub mod lab;
pub mod mission;
pub mod operator;
pub mod people;
pub mod report;
pub mod scene;
pub mod stage;
pub mod told;
pub mod writes;

pub use mission::{agent, agent_that, mission, quick};
pub use scene::Mission;
pub use stage::Stage;
