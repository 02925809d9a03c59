package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.util.Map;
import org.junit.jupiter.api.Test;
import training.lora.api.Reason;
import training.lora.api.SourceVersion;
import training.lora.trainer.files.Folders;

/** Runs whose sources over a network change, or are gone. */
class RemoteSourcesChangeTest extends RemoteRun {
    private void changedPictures() throws IOException {
        Files.writeString(folder.resolve("data/bat.txt"), "something else");
        server.file("/pictures", zip(folder.resolve("data")), "\"2\"");
    }

    @Test
    void secondRunFetchesNothingAndHasNothingToDo() throws IOException {
        ends("run");
        assertThat(contents()).isNotEmpty();

        Ran again = run("run");

        assertThat(again.output()).contains("nothing to do");
        assertThat(contents()).isEmpty();
        Folders.delete(tiny.workspace().resolve("cache"));
        Files.delete(tiny.workspace().resolve("sources.json"));
        Folders.delete(tiny.workspace().resolve("dataset"));
        for (String command : new String[] {"run", "train", "evaluate"}) {
            assertThat(run(command).output()).as(command).contains("nothing to do");
        }
        assertThat(contents()).isEmpty();
    }

    @Test
    void finishedRunIsTrainedAnewWhenItsPicturesChangeBehindTheirUrl() throws IOException {
        ends("run");
        byte[] before = tiny.lora();
        changedPictures();

        Ran again = run("run");

        assertThat(again.code()).as(again.error()).isZero();
        assertThat(again.error()).contains("is trained anew because the caption of main/bat.png has changed");
        assertThat(tiny.lora()).isNotEqualTo(before);
        assertThat(manifest().sources()).extracting(SourceVersion::version).contains("ETag \"2\"");
        assertThat(run("run").output()).contains("nothing to do");
    }

    @Test
    void interruptedTrainingIsRefusedWhenItsPicturesChangeBehindTheirUrl() throws IOException {
        ends("prepare");
        ends("train");
        // As if it had been stopped after the first step.
        Files.delete(tiny.state(2));
        tiny.unpublish();
        changedPictures();

        Ran again = run("prepare");

        assertThat(again.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(again.error()).contains("the caption of main/bat.png has changed");
    }

    @Test
    void finishedRunStaysFinishedWhereItsSourcesAreGone() throws IOException {
        ends("run");
        Map<String, String> output = TinyRun.digests(tiny.workspace().resolve("output"));
        server.on("/pictures", exchange -> exchange.fail(404, Map.of()));
        hub.hub()
                .on(
                        "/api/models/" + MODEL + "/revision/main",
                        exchange -> exchange.fail(404, Map.of("X-Error-Code", "RepoNotFound")));

        Ran again = run("run");

        assertThat(again.code()).as(again.error()).isZero();
        assertThat(again.output()).contains("nothing to do");
        assertThat(again.error())
                .contains("stays finished, though nothing is left at `spec.datasets[0].uri` " + server.url("/pictures")
                        + " (it must name a file, but 127.0.0.1 answered 404")
                .contains("`spec.baseModel.uri` hf://" + MODEL + " (it must name a repository");
        assertThat(TinyRun.digests(tiny.workspace().resolve("output"))).isEqualTo(output);
    }

    @Test
    void finishedRunWhoseSourcesCantBeReachedIsLookedUpLater() throws IOException {
        ends("run");
        Map<String, String> output = TinyRun.digests(tiny.workspace().resolve("output"));
        server.on("/pictures", exchange -> exchange.fail(503, Map.of("Retry-After", "86400")));

        Ran again = run("run");

        assertThat(again.code()).isEqualTo(Reason.SourceUnreachable.exitCode());
        assertThat(again.error())
                .contains("the run in " + tiny.workspace().resolve("output")
                        + " is finished, but whether its sources are as they were can't be told yet: `spec.datasets[0].uri` "
                        + server.url("/pictures") + " must be reachable, but 127.0.0.1 answered 503");
        assertThat(TinyRun.digests(tiny.workspace().resolve("output"))).isEqualTo(output);
        server.file("/pictures", zip(folder.resolve("data")), "\"1\"");
        assertThat(run("run").output()).contains("nothing to do");
    }

    @Test
    void interruptedRunGoesOnWithWhatItFetchedWhileItsSourcesCantBeReached() throws IOException {
        ends("prepare");
        server.on("/pictures", exchange -> exchange.fail(503, Map.of("Retry-After", "86400")));
        contents();

        Ran ended = run("run");

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(ended.error()).contains("what was fetched before is taken, since `spec.datasets[0].uri` ");
        assertThat(contents()).containsOnly();
    }

    @Test
    void unreachableSourceEndsANewRunWithItsExitCode() {
        server.on("/pictures", exchange -> exchange.fail(503, Map.of("Retry-After", "86400")));

        Ran ended = run("prepare");

        assertThat(ended.code()).isEqualTo(Reason.SourceUnreachable.exitCode());
        assertThat(ended.error())
                .contains("`spec.datasets[0].uri` " + server.url("/pictures")
                        + " must be reachable, but 127.0.0.1 answered 503");
    }
}
