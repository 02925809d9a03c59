package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.Objects;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.model.Conditioning;
import training.lora.trainer.model.PictureSizes;
import training.lora.trainer.model.TextEmbedding;
import training.lora.trainer.tensor.Rows;

/** The prepared data set's latents and, unless text encoders are trained, text embeddings, held in memory for the run. */
final class CachedData implements TrainingData {
    private final NDArray means;
    private final NDArray deviations;
    private final @Nullable NDArray masks;
    private final @Nullable NDArray contexts;
    private final @Nullable NDArray pooled;
    private final NDArray timeIds;
    private final int size;

    /** @param texts whether text embeddings are asked for */
    CachedData(PreparedDataset data, boolean texts, NDManager run) {
        size = data.size();
        means = stack(size, i -> data.latentMean(i, run));
        deviations = stack(size, i -> data.latentStd(i, run));
        masks = data.masked() ? stack(size, i -> data.mask(i, run)) : null;
        timeIds = PictureSizes.timeIds(data.sizes(), run);
        if (!texts) {
            contexts = null;
            pooled = null;
            return;
        }
        NDList contextParts = new NDList();
        NDList pooledParts = new NDList();
        for (int i = 0; i <= size; i++) {
            // The empty text stands behind those of the samples.
            TextEmbedding text = i < size ? data.textEmbedding(i, run) : data.emptyEmbedding(run);
            contextParts.add(text.context());
            if (text.pooled() != null) {
                pooledParts.add(text.pooled());
            }
        }
        contexts = NDArrays.stack(contextParts);
        pooled = pooledParts.isEmpty() ? null : NDArrays.stack(pooledParts);
        contextParts.close();
        pooledParts.close();
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
        return Rows.take(means, samples, scope);
    }

    @Override
    public NDArray deviations(int[] samples, NDManager scope) {
        return Rows.take(deviations, samples, scope);
    }

    @Override
    public @Nullable NDArray masks(int[] samples, NDManager scope) {
        return masks == null ? null : Rows.take(masks, samples, scope);
    }

    @Override
    public NDArray timeIds(int[] samples, NDManager scope) {
        return Rows.take(timeIds, samples, scope);
    }

    @Override
    public Conditioning embeddings(int[] samples, boolean[] empty, NDManager scope) {
        int[] rows = samples.clone();
        for (int i = 0; i < rows.length; i++) {
            if (empty[i]) {
                rows[i] = size;
            }
        }
        NDArray context = Rows.take(Objects.requireNonNull(contexts, "text embeddings"), rows, scope);
        return pooled == null
                ? Conditioning.of(context)
                : new Conditioning(context, Rows.take(pooled, rows, scope), timeIds(samples, scope));
    }
}
