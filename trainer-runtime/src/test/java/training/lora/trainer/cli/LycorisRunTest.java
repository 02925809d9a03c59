package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Reason;

/** A LoHa and a LoKr from the configuration to their files, in one run that is gone on from. */
@Timeout(value = 900, unit = TimeUnit.SECONDS)
class LycorisRunTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource({"'type: LoHa, rank: 2', LoHa, loha, hada_w2_a", "'type: LoKr, rank: 2, factor: 4', LoKr, lokr, lokr_w1"
    })
    void adapterIsTrainedResumedWrittenExplainedAndDrawn(String adapter, String kind, String algorithm, String part)
            throws Exception {
        TinyRun run = TinyRun.create(
                folder,
                "steps: 12, batchSize: 2, precision: Float32, checkpoints: {everySteps: 6}, adapter: {" + adapter
                        + ", textEncoder: true, targets: [Attention, Convolution]}, optimizer: {learningRate: 1e-2}",
                "output: {formats: [Kohya]}");

        Ran ended = run.run("run");
        assertThat(ended.code()).as(ended.error()).isZero();
        byte[] whole = run.lora();
        run.interruptBefore(12);
        Ran again = run.run("run", "--attempt", "2");
        assertThat(again.code()).as(again.error()).isZero();

        assertThat(again.output() + again.error()).contains("going on from step 6 of 12");
        assertThat(run.lora()).isEqualTo(whole);
        Path file = run.workspace().resolve("output/tiny.safetensors");
        assertThat(new String(whole, java.nio.charset.StandardCharsets.ISO_8859_1))
                .contains("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q." + part);
        Ran inspected = Ran.of("inspect", file.toString());
        assertThat(inspected.output().replaceAll(" +", " "))
                .contains("what a " + kind + " in kohya's form\n")
                .contains("ss_network_module = lycoris.kohya\n")
                .contains("\"algo\":\"" + algorithm + "\"");
        Ran converted = Ran.of("export", file.toString(), "--to", "diffusers");
        assertThat(converted.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(converted.error()).contains("--to must be Kohya for ").contains("is a " + kind);
        assertThat(picture("adapted", "--lora", file.toString())).isNotEqualTo(picture("plain"));
    }

    private byte[] picture(String name, String... more) throws Exception {
        return Pngs.drawn(folder.resolve("base"), folder.resolve(name), more);
    }
}
