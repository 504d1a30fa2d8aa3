//! livestore-sim.
