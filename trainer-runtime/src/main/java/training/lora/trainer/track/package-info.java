/** Tells services that collect the course of trainings: MLflow and Weights & Biases. */
@NullMarked
package training.lora.trainer.track;

import org.jspecify.annotations.NullMarked;
