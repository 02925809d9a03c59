package training.lora.trainer.train.batch;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;
import training.lora.api.Json;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.DatasetManifestSampleBuilder;
import training.lora.trainer.model.unet.PictureSizes;

class KeptPromptsTest {
    @Test
    void captionsSayTheClassInEachTriggersPlaceWhereItHasOne() throws JsonProcessingException {
        List<DatasetSpec> datasets = List.of(
                dataset("{name: main, uri: a, concept: {mode: Object, trigger: qzx, className: a cat}}"),
                dataset("{name: plain, uri: a, concept: {mode: Object, trigger: zzw}}"),
                dataset("{name: long, uri: a, concept: {mode: Object, trigger: qzx hat, className: the zzv}}"),
                dataset("{name: third, uri: a, concept: {mode: Object, trigger: zzv, className: an owl}}"),
                dataset("{name: other, uri: a}"));

        assertThat(KeptPrompts.captions(
                        List.of(
                                sample("main", "a QZX on a qzxy mat"),
                                sample("plain", "zzw, a hat"),
                                sample("main", "qzx and ZZV"),
                                sample("third", "a zzv in a qzx hat"),
                                sample("other", "qzx")),
                        datasets))
                .containsExactly("a cat on a qzxy mat", "zzw, a hat", "cat and owl", "a owl in a zzv", "cat");
    }

    private static DatasetSpec dataset(String yaml) throws JsonProcessingException {
        return Json.STRICT_YAML.readValue(yaml, DatasetSpec.class);
    }

    private static Sample sample(String dataset, String caption) {
        return DatasetManifestSampleBuilder.builder()
                .name(caption)
                .dataset(dataset)
                .role(DatasetRole.Train)
                .file("")
                .caption(caption)
                .sha256("")
                .sizes(PictureSizes.square(64))
                .build();
    }
}
