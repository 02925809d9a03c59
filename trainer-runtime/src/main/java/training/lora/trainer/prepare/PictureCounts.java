package training.lora.trainer.prepare;

import java.util.List;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.DatasetRole;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.order.BatchOrder;
import training.lora.trainer.order.RunLength;
import training.lora.trainer.prepare.PicturePipeline.PreparedItem;
import training.lora.trainer.prepare.augment.Copies;
import training.lora.trainer.prepare.picture.Item;

/** How many pictures a run needs and may have, and how long it is with them. */
record PictureCounts(LoraTrainingSpec spec, Copies copies) {
    private static final Logger LOG = LoggerFactory.getLogger(PictureCounts.class);

    /** @throws TrainerException InvalidData if there are too many or too few */
    void require(List<Item> items) {
        int most = spec.preparation().maxPictures();
        if (items.size() > most) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "`spec.datasets` must hold at most `spec.preparation.maxPictures` pictures, %d, but hold %d"
                            .formatted(most, items.size()));
        }
        requireBatch(IntStream.range(0, items.size())
                .mapToLong(i -> trained(i, items.get(i)))
                .sum());
    }

    /** @throws TrainerException InvalidData if too few of them could be read */
    void requirePrepared(List<PreparedItem> prepared) {
        requireBatch(
                prepared.stream().mapToLong(p -> trained(p.index(), p.item())).sum());
    }

    /** The pictures to train on that are made of an item, at one resolution. */
    private long trained(int index, Item item) {
        return item.dataset().role() == DatasetRole.Validation
                ? 0
                : 1 + copies.of(index).size();
    }

    /** A picture would stand twice in one step, which only looks like a batch. */
    private void requireBatch(long pictures) {
        int batch = spec.training().batchSize();
        if (pictures < batch) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "`spec.datasets` must hold at least as many pictures to train on as a step takes (`spec.training.batchSize`, %d), but hold %d"
                            .formatted(batch, pictures));
        }
    }

    /** Says how long the run is on pictures of one size. */
    void tellLength(List<Item> items) {
        tell(RunLength.of(spec.training(), items.stream().map(Item::dataset).toList()));
    }

    /** Says how long the run is on what was prepared. */
    void tellLengthOf(List<Sample> samples) {
        tell(BatchOrder.length(spec, samples));
    }

    private static void tell(RunLength length) {
        LOG.info(
                "an epoch is {} pictures in {} steps, the run {} steps",
                length.epochSamples(),
                length.epochSteps(),
                length.steps());
    }
}
