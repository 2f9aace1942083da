//! Whether a training on the device is repeatable, goes on after an interruption as if there had been none, and is the same for any
//! number of threads.

use candle_core::Device;
use stages::model::recipe::Ema;
use stages::model::{Model, Plan};
use stages::train::state::TrainState;

use crate::Settings;
use crate::networks::{apart, fresh, trained};
use crate::rows::Rows;
use crate::sample::{self, CLASSES, SIDE};

/// Has augmentation, dropout, normalisation and moments, and is given an average: all that an interruption could lose.
const MODEL: &str = "own-long";

pub(crate) fn compare(settings: &Settings, device: &Device, rows: &mut Rows) -> anyhow::Result<()> {
    let model = Model { ema: Some(Ema { momentum: 0.9 }), ..settings.model(MODEL)? };
    let sample = sample::read(&settings.folder, settings.images.min(960))?;
    let whole = |threads| trained(&model, &sample, fresh(&model, device)?, 2, threads);
    let bits = |state: &TrainState| -> anyhow::Result<Vec<u32>> {
        let values = [state.network.values()?, state.result().values()?];
        Ok(values.into_iter().flatten().flatten().map(f32::to_bits).collect())
    };

    let expected = bits(&whole(1)?)?;
    let again = bits(&whole(1)?)?;
    equal(rows, "two trainings alike", &again, &expected)?;

    let folder = tempfile::tempdir()?;
    trained(&model, &sample, fresh(&model, device)?, 1, 1)?.save(folder.path())?;
    let plan = Plan::new(&model, [SIDE, SIDE, 1], CLASSES)?;
    let kept = TrainState::load(folder.path(), &model, plan, device)?;
    let resumed = bits(&trained(&model, &sample, kept, 1, 1)?)?;
    equal(rows, "a training that was interrupted", &resumed, &expected)?;

    let threads = bits(&whole(2)?)?;
    equal(rows, "a training with two threads", &threads, &expected)
}

/// Equal bits, or how far apart.
fn equal(rows: &mut Rows, what: &str, bits: &[u32], expected: &[u32]) -> anyhow::Result<()> {
    let what = format!("{MODEL}, {what}: weights");
    if bits == expected {
        return rows.must(&what, true, "equal bits", "equal bits");
    }
    let values = |bits: &[u32]| bits.iter().map(|b| f32::from_bits(*b)).collect::<Vec<_>>();
    let differ = bits.iter().zip(expected).filter(|(a, b)| a != b).count();
    let result = format!("{differ} of {} differ, by {:.1e}", bits.len(), apart(&values(bits), &values(expected)));
    rows.must(&what, false, &result, "equal bits")
}
