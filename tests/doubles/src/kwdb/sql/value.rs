//! Values of the little evaluator and how they compare.

use std::cmp::Ordering;

use crate::kwdb::Failure;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// NULL.
    Null,
    /// A truth.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A decimal.
    Decimal(f64),
    /// Text, times too.
    Text(String),
    /// An array of whole numbers.
    Array(Vec<i64>),
    /// A document.
    Json(serde_json::Value),
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A count or a size.
    pub(crate) fn count(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// As it is shown; `None` is NULL.
    pub(crate) fn shown(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Decimal(value) => value.to_string(),
            Self::Text(value) => value.clone(),
            Self::Array(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                format!("{{{}}}", values.join(","))
            }
            Self::Json(value) => value.to_string(),
        })
    }

    /// How it compares; `None` with NULL.
    pub(crate) fn compare(&self, other: &Self) -> Result<Option<Ordering>, Failure> {
        Ok(match (self, other) {
            (Self::Null, _) | (_, Self::Null) => None,
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Bool(a), Self::Text(b)) => b.parse::<bool>().ok().map(|b| a.cmp(&b)),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Array(a), Self::Array(b)) => Some(a.cmp(b)),
            _ => match (self.number(), other.number()) {
                (Some(a), Some(b)) => a.partial_cmp(&b),
                _ => {
                    return Err(Failure::coded(
                        "22023",
                        format!(
                            "unsupported comparison operator: {} and {}",
                            self.kind(),
                            other.kind()
                        ),
                    ));
                }
            },
        })
    }

    /// As a number; text that is one counts too, as a literal would.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Decimal(value) => Some(*value),
            Self::Text(text) => text.parse().ok(),
            Self::Null | Self::Bool(_) | Self::Array(_) | Self::Json(_) => None,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "unknown",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Decimal(_) => "decimal",
            Self::Text(_) => "string",
            Self::Array(_) => "int[]",
            Self::Json(_) => "jsonb",
        }
    }
}
