//! TODO: model.
