//! TODO: catalog.
