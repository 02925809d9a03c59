/**
 * Algorithms that move parameters by their gradient, groups of parameters, and schedules of learning rates.
 *
 * <p>An optimizer moves one flat array, in which a {@link training.lora.trainer.train.optimizer.ParameterTable} tells the
 * tensors and their groups. Groups differ in rate, course, time and decay; they share the scaling of the gradient and, with
 * Prodigy, d. What shall share neither is an array with an optimizer of its own in the training's
 * {@link training.lora.trainer.train.optimizer.OptimizerSet}: so embeddings of tokens stand beside an adapter, whose
 * numbers and states stay what they are without them.
 */
@NullMarked
package training.lora.trainer.train.optimizer;

import org.jspecify.annotations.NullMarked;
