package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.function.IntFunction;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.model.Conditioning;

/** The prepared data set's latents and text embeddings, held in memory for the run. */
final class CachedData implements TrainingData {
    private final NDArray means;
    private final NDArray deviations;
    private final NDArray embeddings;
    private final int size;

    CachedData(PreparedDataset data, NDManager run) {
        size = data.size();
        means = stack(size, i -> data.latentMean(i, run));
        deviations = stack(size, i -> data.latentStd(i, run));
        // The empty text stands behind those of the samples.
        embeddings = stack(size + 1, i -> i < size ? data.textEmbedding(i, run) : data.emptyEmbedding(run));
    }

    private static NDArray stack(int count, IntFunction<NDArray> part) {
        NDList parts = new NDList();
        for (int i = 0; i < count; i++) {
            parts.add(part.apply(i));
        }
        NDArray all = NDArrays.stack(parts);
        parts.close();
        return all;
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public NDArray means(int[] samples, NDManager scope) {
        return take(means, samples, scope);
    }

    @Override
    public NDArray deviations(int[] samples, NDManager scope) {
        return take(deviations, samples, scope);
    }

    @Override
    public Conditioning embeddings(int[] samples, boolean[] empty, NDManager scope) {
        int[] rows = samples.clone();
        for (int i = 0; i < rows.length; i++) {
            if (empty[i]) {
                rows[i] = size;
            }
        }
        return Conditioning.of(take(embeddings, rows, scope));
    }

    private static NDArray take(NDArray all, int[] rows, NDManager scope) {
        NDList parts = new NDList();
        for (int row : rows) {
            NDArray part = all.get(row);
            part.attach(scope);
            parts.add(part);
        }
        NDArray batch = NDArrays.stack(parts);
        batch.attach(scope);
        parts.close();
        return batch;
    }
}
