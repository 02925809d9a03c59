package training.lora.local.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.assertj.core.groups.Tuple;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainingTest {
    @TempDir
    Path folder;

    private Training read(String spec) throws IOException {
        return Training.read(Files.writeString(
                folder.resolve("training.yaml"),
                "{apiVersion: lora.training/v1alpha1, kind: LoraTraining, metadata: {name: mine}, spec: %s}"
                        .formatted(spec)));
    }

    @Test
    void eachPlainPathBecomesAClaimThatOfTheOutputToo() throws IOException {
        Files.createDirectories(folder.resolve("pictures"));
        Files.writeString(folder.resolve("base.safetensors"), "");
        Files.writeString(folder.resolve("vae.safetensors"), "");

        Training training = read(
                "{baseModel: {uri: base.safetensors, vae: {uri: vae.safetensors}}, datasets: [{uri: pictures}, {name: other, uri: 'hf://a/b'}], output: {uri: results/mine}}");

        JsonNode spec = new ObjectMapper().valueToTree(training.resource()).path("spec");
        assertThat(spec.at("/baseModel/uri").asText()).isEqualTo("pvc://mine-base-model/base.safetensors");
        assertThat(spec.at("/baseModel/vae/uri").asText()).isEqualTo("pvc://mine-vae/vae.safetensors");
        assertThat(spec.at("/datasets/0/uri").asText()).isEqualTo("pvc://mine-dataset-main");
        assertThat(spec.at("/datasets/1/uri").asText()).isEqualTo("hf://a/b");
        assertThat(spec.at("/output/uri").asText()).isEqualTo("pvc://mine-output");
        assertThat(training.claims())
                .extracting(
                        claim -> claim.getMetadata().getName(),
                        claim -> claim.getMetadata().getAnnotations().get("local.lora.training/folder"),
                        claim -> claim.getSpec().getAccessModes().get(0))
                .containsExactly(
                        Tuple.tuple("mine-base-model", folder.toString(), "ReadOnlyMany"),
                        Tuple.tuple("mine-vae", folder.toString(), "ReadOnlyMany"),
                        Tuple.tuple(
                                "mine-dataset-main", folder.resolve("pictures").toString(), "ReadOnlyMany"),
                        Tuple.tuple(
                                "mine-output", folder.resolve("results/mine").toString(), "ReadWriteMany"));
        assertThat(folder.resolve("results/mine")).isEmptyDirectory();
    }

    @Test
    void pathWithNothingIsRefused() {
        assertThatThrownBy(() -> read("{baseModel: {uri: 'bundled://emoji-sd'}, datasets: [{uri: pictures}]}"))
                .isInstanceOf(DemoException.class)
                .hasMessageContaining("`uri` pictures must name a folder or file, but there is none at ");
    }
}
