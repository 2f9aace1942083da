//! The operators: kernels against their portable form, against finite differences, and against PyTorch and Keras.

#[path = "ops/agreement.rs"]
mod agreement;
#[path = "ops/behaviour.rs"]
mod behaviour;
#[path = "ops/bf16.rs"]
mod bf16;
#[path = "ops/cases.rs"]
mod cases;
#[path = "ops/differences.rs"]
mod differences;
#[path = "ops/muon.rs"]
mod muon;
#[path = "ops/pytorch.rs"]
mod pytorch;
#[path = "ops/sinks.rs"]
mod sinks;
#[path = "ops/tape.rs"]
mod tape;
