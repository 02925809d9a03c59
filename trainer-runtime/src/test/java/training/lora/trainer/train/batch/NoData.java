package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import training.lora.trainer.model.unet.Conditioning;

/** Of which nothing may be asked. */
class NoData implements TrainingData {
    @Override
    public int size() {
        throw new AssertionError();
    }

    @Override
    public NDArray means(int[] samples, NDManager scope) {
        throw new AssertionError();
    }

    @Override
    public NDArray deviations(int[] samples, NDManager scope) {
        throw new AssertionError();
    }

    @Override
    public NDArray timeIds(int[] samples, NDManager scope) {
        throw new AssertionError();
    }

    @Override
    public Conditioning embeddings(int[] samples, boolean[] empty, NDManager scope) {
        throw new AssertionError();
    }
}
