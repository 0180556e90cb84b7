//! What a sweep has to know of the network that its points are played on.

use crate::lab::{Calibration, Impairment, Lab, LabError};
use crate::parameters::Parameters;
use crate::stage::PlayError;

/// Links that can be impaired, and measured.
pub trait Ground {
    /// What emulates them, in a word.
    fn kind(&self) -> String;

    /// What is not emulated, and why: sentences for a report.
    fn notes(&self) -> Vec<String>;

    /// Makes all links and cores as the point asks, from now on.
    ///
    /// # Errors
    /// If that can't be done here.
    fn impair(&mut self, point: &Parameters) -> Result<(), PlayError>;

    /// Impairs all links so, and measures them.
    ///
    /// # Errors
    /// If they could not be measured. That they are off is no error but the verdict.
    fn calibrate(&mut self, links: &Impairment) -> impl Future<Output = Result<Calibration, PlayError>>;
}

impl Ground for Lab {
    fn kind(&self) -> String {
        let kind = serde_json::to_value(Lab::kind(self)).ok();
        kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or_default().to_owned()
    }

    fn notes(&self) -> Vec<String> {
        Lab::notes(self).to_vec()
    }

    fn impair(&mut self, point: &Parameters) -> Result<(), PlayError> {
        Lab::impair(self, point.into()).map_err(failed)?;
        self.set_frequency(point.frequency_mhz).map_err(|error| PlayError::Impossible(error.to_string()))
    }

    async fn calibrate(&mut self, links: &Impairment) -> Result<Calibration, PlayError> {
        Lab::calibrate(self, links).await.map_err(failed)
    }
}

fn failed(error: LabError) -> PlayError {
    PlayError::Setup { what: "the links".to_owned(), why: error.to_string() }
}
