//! Tokens that decode, with something wrong in them.

use crate::row::Row;

pub(crate) fn rows() -> Vec<Row> {
    Vec::new()
}
