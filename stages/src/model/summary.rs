//! The layer table of a network, as Keras prints it: `summary.json`.

use serde::{Deserialize, Serialize};

use super::plan::{Parameter, Plan, Step};

/// A network's layer table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The model's name.
    pub name: String,
    /// Height, width and channels of the images.
    pub input: [usize; 3],
    /// The layers in order.
    pub layers: Vec<Row>,
    /// The number of values in all parameters.
    pub parameters: usize,
    /// The number of values that training changes.
    pub trainable: usize,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its output per image: [height, width, channels] or [values].
    pub output_shape: Vec<usize>,
    /// The number of values in its parameters, inner layers included.
    pub parameters: usize,
    /// The layers inside a block, one list a branch; absent where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inner: Vec<Vec<Row>>,
}

/// The layer table of a plan.
pub fn summary(name: &str, plan: &Plan) -> Summary {
    Summary {
        name: name.to_owned(),
        input: plan.input,
        layers: plan.steps.iter().map(|s| row(s, &plan.parameters)).collect(),
        parameters: plan.parameter_count(),
        trainable: plan.trained_count(),
    }
}

fn row(step: &Step, parameters: &[Parameter]) -> Row {
    let mut inner: Vec<Vec<Row>> =
        step.inner.iter().map(|list| list.iter().map(|s| row(s, parameters)).collect()).collect();
    inner.extend(step.projection.iter().map(|p| vec![row(p, parameters)]));
    Row {
        name: step.name.clone(),
        kind: step.kind.type_name().to_owned(),
        output_shape: step.output.dims(),
        parameters: parameters[step.parameters.clone()].iter().map(Parameter::len).sum(),
        inner,
    }
}
