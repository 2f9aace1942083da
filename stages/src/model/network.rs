//! A network: a plan, its weights, and the computation of its layers.

use anyhow::ensure;
use candle_core::{Device, Tensor, Var};

use crate::ops::{self, GradSink, Precision, bf16};
use crate::rng::Rng;

use super::plan::{Parameter, Plan, Role, Shape, Step};
use super::spec::{Activation, BatchNorm, Conv, LayerKind, Padding, Pool};

/// A plan with its weights on a device.
pub struct Network {
    /// The layers and their shapes.
    pub plan: Plan,
    /// One variable a parameter, in the order of [`Plan::parameters`].
    pub weights: Vec<Var>,
    /// Where the weights are.
    pub device: Device,
    /// How exactly its products are computed; float32 unless set.
    pub precision: Precision,
}

/// Where the gradients of one shard go: a sink for each parameter that is a kernel or a scale (and the bias after it).
pub type Sinks = Vec<Option<GradSink>>;

/// What a training pass needs beyond the images.
pub struct Training<'a> {
    /// Takes the gradients; as long as [`Plan::parameters`].
    pub sinks: &'a Sinks,
    /// The stage's seed.
    pub seed: u64,
    /// The number of the step, over all epochs; with the seed and the layer's name it decides what dropout drops.
    pub step: u64,
    /// The number of the shard's first image in its batch.
    pub first_row: usize,
}

/// The mean and variance that batch normalisation saw, and the parameter (the running mean) that they belong to.
pub struct Statistics {
    /// Index of the running mean in [`Plan::parameters`]; the running variance follows it.
    pub parameter: usize,
    /// The batch's mean of each channel.
    pub mean: Tensor,
    /// The batch's variance of each channel.
    pub variance: Tensor,
}

struct Pass<'a> {
    training: Option<&'a Training<'a>>,
    statistics: Vec<Statistics>,
    tap: Option<&'a str>,
    tapped: Option<Tensor>,
}

impl Network {
    /// A network with fresh weights: kernels glorot-uniform (Glorot and Bengio, 2010), scales and variances 1, all else
    /// 0. The weights of a layer depend on the seed and its name alone.
    ///
    /// # Errors
    /// If the device has no room.
    pub fn new(plan: Plan, seed: u64, device: &Device) -> candle_core::Result<Self> {
        let values: Vec<Vec<f32>> = plan.parameters.iter().map(|p| initial(p, seed)).collect();
        Self::with_weights(plan, values, device)
    }

    /// A network with given weights.
    ///
    /// # Errors
    /// If an array has not its parameter's size, or the device has no room.
    pub fn with_weights(plan: Plan, values: Vec<Vec<f32>>, device: &Device) -> candle_core::Result<Self> {
        let pairs = plan.parameters.iter().zip(values);
        let weights =
            pairs.map(|(p, v)| Var::from_vec(v, p.shape.as_slice(), device)).collect::<candle_core::Result<_>>()?;
        Ok(Self { plan, weights, device: device.clone(), precision: Precision::default() })
    }

    /// The weights as arrays, in the order of [`Plan::parameters`].
    ///
    /// # Errors
    /// If they cannot be read back from the device.
    pub fn values(&self) -> candle_core::Result<Vec<Vec<f32>>> {
        self.weights.iter().map(|w| w.flatten_all()?.to_vec1()).collect()
    }

    /// Replaces all weights.
    ///
    /// # Errors
    /// If an array has not its parameter's size.
    pub fn set_values(&self, values: &[Vec<f32>]) -> candle_core::Result<()> {
        for (weight, values) in self.weights.iter().zip(values) {
            weight.set(&Tensor::from_slice(values, weight.shape(), &self.device)?)?;
        }
        Ok(())
    }

    /// The same network, whose products are computed with this precision.
    ///
    /// # Errors
    /// If its device knows no such products.
    pub fn with_precision(self, precision: Precision) -> anyhow::Result<Self> {
        ensure!(
            precision == Precision::Float32 || self.device.is_cpu(),
            "`precision: bf16` is computed on the CPU alone: run the stage with `device: cpu`"
        );
        Ok(Self { precision, ..self })
    }

    /// Empty sinks for the gradients of one shard.
    pub fn sinks(&self) -> Sinks {
        let parameters = &self.plan.parameters;
        let sink = |i: usize| match parameters[i].role {
            // The planner puts a bias right behind every kernel and scale.
            Role::Kernel { .. } | Role::Scale => Some(GradSink::new(parameters[i].len(), parameters[i + 1].len())),
            Role::Bias | Role::RunningMean | Role::RunningVariance => None,
        };
        (0..parameters.len()).map(sink).collect()
    }

    /// The logits of images [N, H, W, C] in training: [N, classes], and what batch normalisation saw.
    ///
    /// # Errors
    /// candle's.
    pub fn train(&self, images: &Tensor, training: &Training) -> candle_core::Result<(Tensor, Vec<Statistics>)> {
        let mut pass = Pass { training: Some(training), statistics: Vec::new(), tap: None, tapped: None };
        let logits = self.steps(&self.plan.steps, images.clone(), &mut pass)?;
        Ok((logits, pass.statistics))
    }

    /// The logits of images [N, H, W, C]: [N, classes].
    ///
    /// # Errors
    /// candle's.
    pub fn logits(&self, images: &Tensor) -> candle_core::Result<Tensor> {
        let mut pass = Pass { training: None, statistics: Vec::new(), tap: None, tapped: None };
        self.steps(&self.plan.steps, images.clone(), &mut pass)
    }

    /// The output of a named layer, after its activation, for images [N, H, W, C].
    ///
    /// # Errors
    /// If there is no such layer; candle's.
    pub fn activations(&self, images: &Tensor, layer: &str) -> candle_core::Result<Tensor> {
        let mut pass = Pass { training: None, statistics: Vec::new(), tap: Some(layer), tapped: None };
        self.steps(&self.plan.steps, images.clone(), &mut pass)?;
        let tapped = pass.tapped.ok_or_else(|| candle_core::Error::msg(format!("there is no layer `{layer}`")))?;
        let softmax = self.plan.step(layer).is_some_and(|step| ends_in_softmax(&step.kind));
        if softmax { ops::softmax(&tapped) } else { Ok(tapped) }
    }

    fn steps(&self, steps: &[Step], mut x: Tensor, pass: &mut Pass) -> candle_core::Result<Tensor> {
        let mut rest = steps;
        while let [step, behind @ ..] = rest {
            (x, rest) = match self.together(rest, &x, pass)? {
                Some(done) => done,
                None => (self.step(step, x, pass)?, behind),
            };
            if pass.tapped.is_some() {
                break;
            }
            if pass.tap == Some(step.name.as_str()) {
                pass.tapped = Some(x.clone());
                break;
            }
        }
        Ok(x)
    }

    /// In training, any batch normalisation: with the convolution before it and the pool behind its ReLU, where there are such, and where the
    /// first steps are these. The result, and the steps that are left.
    fn together<'s>(
        &self,
        steps: &'s [Step],
        x: &Tensor,
        pass: &mut Pass,
    ) -> candle_core::Result<Option<(Tensor, &'s [Step])>> {
        if pass.training.is_none() {
            return Ok(None);
        }
        let (convolution, steps) = match steps {
            [step @ Step { kind: LayerKind::Conv(conv), .. }, rest @ ..] if self.precision == Precision::Float32 => {
                (Some((step, conv)), rest)
            }
            _ => (None, steps),
        };
        let [step @ Step { kind: LayerKind::BatchNorm(norm), .. }, rest @ ..] = steps else { return Ok(None) };
        let relu = norm.activation == Activation::Relu;
        let (pool, rest) = match rest {
            [Step { kind: LayerKind::MaxPool(pool), .. }, rest @ ..] if relu => {
                (Some((pool.size, pool.step(), padding(pool.padding))), rest)
            }
            _ => (None, rest),
        };
        let (weight, bias, grads) = self.pair(step, pass);
        let scales = ops::Layer { weight: &weight, bias: &bias, grads };
        let norm = ops::Norm { epsilon: f64::from(norm.epsilon), relu, pool };
        let normed = match convolution {
            Some((step, conv)) => {
                let (weight, bias, grads) = self.pair(step, pass);
                let kernels = ops::Layer { weight: &weight, bias: &bias, grads };
                ops::conv2d_batch_norm_train(x, (kernels, &settings(conv)), (scales, &norm))?
            }
            None => ops::batch_norm_max_pool_train(x, scales, &norm)?,
        };
        let parameter = step.parameters.start + 2;
        pass.statistics.push(Statistics { parameter, mean: normed.mean, variance: normed.variance });
        Ok(Some((normed.y, rest)))
    }

    fn step(&self, step: &Step, x: Tensor, pass: &mut Pass) -> candle_core::Result<Tensor> {
        match &step.kind {
            LayerKind::Conv(conv) => self.conv(step, conv, &x, pass),
            LayerKind::MaxPool(pool) => pooled(ops::max_pool2d, pool, &x),
            LayerKind::AvgPool(pool) => pooled(ops::avg_pool2d, pool, &x),
            LayerKind::GlobalAvgPool(_) => ops::global_avg_pool2d(&x),
            LayerKind::Flatten(_) => ops::flatten(&x),
            LayerKind::Dense(dense) => {
                let (weight, bias, sink) = self.pair(step, pass);
                let relu = dense.activation == Activation::Relu;
                match self.precision {
                    Precision::Float32 => ops::dense(&x, &weight, Some(&bias), relu, sink),
                    Precision::Bf16 => bf16::dense(&x, &weight, Some(&bias), relu, sink),
                }
            }
            LayerKind::Dropout(dropout) => match pass.training {
                Some(training) if dropout.rate > 0.0 => {
                    let key = Rng::new(training.seed, &format!("dropout {}", step.name), training.step).next_u64();
                    let offset = training.first_row * step.input.len();
                    ops::dropout(&x, dropout.rate, key, offset as u64)
                }
                _ => Ok(x),
            },
            LayerKind::BatchNorm(norm) => self.batch_norm(step, norm, &x, pass),
            LayerKind::Residual(block) => {
                let inner = self.steps(&step.inner[0], x.clone(), pass)?;
                if pass.tapped.is_some() {
                    return Ok(inner);
                }
                let shortcut = match step.projection.as_deref() {
                    Some(projection) => self.step(projection, x, pass)?,
                    None => x,
                };
                ops::add(&inner, &shortcut, block.activation == Activation::Relu)
            }
            LayerKind::Inception(_) => {
                let mut outputs = Vec::with_capacity(step.inner.len());
                for branch in &step.inner {
                    let output = self.steps(branch, x.clone(), pass)?;
                    if pass.tapped.is_some() {
                        return Ok(output);
                    }
                    outputs.push(output);
                }
                ops::concat(&outputs)
            }
        }
    }

    /// Kernel (or scale), bias and sink of a layer. Outside training they are detached, so that no graph is kept.
    fn pair<'a>(&self, step: &Step, pass: &Pass<'a>) -> (Tensor, Tensor, Option<&'a GradSink>) {
        let at = step.parameters.start;
        let (weight, bias) = (&self.weights[at], &self.weights[at + 1]);
        match pass.training {
            Some(training) => (weight.as_tensor().clone(), bias.as_tensor().clone(), training.sinks[at].as_ref()),
            None => (weight.as_detached_tensor(), bias.as_detached_tensor(), None),
        }
    }

    fn conv(&self, step: &Step, conv: &Conv, x: &Tensor, pass: &Pass) -> candle_core::Result<Tensor> {
        let (weight, bias, sink) = self.pair(step, pass);
        let operator = match self.precision {
            Precision::Float32 => ops::conv2d,
            Precision::Bf16 => bf16::conv2d,
        };
        operator(x, &weight, Some(&bias), &settings(conv), sink)
    }

    /// Batch normalisation with the running statistics, as it is outside training.
    fn batch_norm(&self, step: &Step, norm: &BatchNorm, x: &Tensor, pass: &Pass) -> candle_core::Result<Tensor> {
        debug_assert!(pass.training.is_none(), "in training the statistics are the batch's");
        let (scale, bias, _) = self.pair(step, pass);
        let at = step.parameters.start + 2;
        let [mean, variance] = [at, at + 1].map(|i| self.weights[i].as_detached_tensor());
        let relu = norm.activation == Activation::Relu;
        ops::batch_norm_infer(x, &scale, &bias, &mean, &variance, f64::from(norm.epsilon), relu)
    }
}

fn settings(conv: &Conv) -> ops::Conv {
    ops::Conv { stride: conv.stride, padding: padding(conv.padding), relu: conv.activation == Activation::Relu }
}

type PoolOperator = fn(&Tensor, usize, usize, ops::Padding) -> candle_core::Result<Tensor>;

fn pooled(operator: PoolOperator, pool: &Pool, x: &Tensor) -> candle_core::Result<Tensor> {
    operator(x, pool.size, pool.step(), padding(pool.padding))
}

fn padding(padding: Padding) -> ops::Padding {
    match padding {
        Padding::Same => ops::Padding::Same,
        Padding::Valid => ops::Padding::Valid,
    }
}

fn ends_in_softmax(kind: &LayerKind) -> bool {
    matches!(kind, LayerKind::Dense(dense) if dense.activation == Activation::Softmax)
}

fn initial(parameter: &Parameter, seed: u64) -> Vec<f32> {
    match parameter.role {
        Role::Kernel { fan_in, fan_out } => {
            let mut rng = Rng::new(seed, &format!("initialise {}", parameter.name), 0);
            let limit = (6.0 / (fan_in + fan_out) as f64).sqrt() as f32;
            (0..parameter.len()).map(|_| rng.between(-limit, limit)).collect()
        }
        Role::Scale | Role::RunningVariance => vec![1.0; parameter.len()],
        Role::Bias | Role::RunningMean => vec![0.0; parameter.len()],
    }
}

/// The shape of a batch of images of a plan.
pub fn batch_shape(plan: &Plan, images: usize) -> [usize; 4] {
    let [h, w, c] = plan.input;
    [images, h, w, c]
}

impl Shape {
    /// The shape of the values of a layer for a batch.
    pub fn batched(self, images: usize) -> Vec<usize> {
        [vec![images], self.dims()].concat()
    }
}
