package training.lora.trainer.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.trainer.Goldens;

/** Names that don't ship with the trainer. */
class ShippedTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "BaseModel | emoji-sd",
                "Vae | emoji-sd/vae",
                "Clip | emoji-clip",
                "Blip | emoji-blip",
                "Onnx | emoji-clipseg",
                "Faces | faces",
                "Dataset | blue-ink, flat-style, fluent-cats, fluent-style, robot, uncaptioned-robots"
            })
    void ofWhatShipsWithTheTrainerOnlyThatIsListedThatCanBeUsedThere(Use use, String names) {
        Path bundled = Goldens.BUNDLED.toAbsolutePath().normalize();
        Sources sources = new Sources(bundled, null, null, null, null);
        Source source = new Source("spec.some.uri", "bundled://emoji", use, null, null);

        assertThatThrownBy(() -> sources.existing(source))
                .hasMessage(
                        "`spec.some.uri` bundled://emoji: must name a folder or file, but there is none at %s/emoji; what ships with the trainer of this kind is %s"
                                .formatted(bundled, names));
    }

    @ParameterizedTest
    @CsvSource({"BaseAdapter", "InitFrom", "Aesthetic", "Florence"})
    void ofAKindThatDoesNotShipNothingIsListed(Use use) {
        Sources sources = new Sources(Goldens.BUNDLED, null, null, null, null);
        Source source = new Source("spec.some.uri", "bundled://emoji", use, null, null);

        assertThatThrownBy(() -> sources.existing(source))
                .satisfies(e -> assertThat(e.getMessage()).endsWith("/emoji"));
    }
}
