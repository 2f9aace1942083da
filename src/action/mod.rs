//! TODO: action.
