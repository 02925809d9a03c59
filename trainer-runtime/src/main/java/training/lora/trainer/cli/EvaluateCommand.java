package training.lora.trainer.cli;

import java.io.IOException;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import training.lora.api.Stage;

/** {@code evaluate}: a run's checkpoints, or, with the arguments of Eden's script, a LoRA file. */
@Command(
        name = "evaluate",
        mixinStandardHelpOptions = true,
        description =
                "Measures base model and checkpoints and chooses the best; needs train. With the arguments of Eden's script"
                        + " it measures one LoRA file instead, of whichever trainer.")
final class EvaluateCommand extends RunCommand {
    @Mixin
    private EdenEvaluation eden = new EdenEvaluation();

    EvaluateCommand(Function<String, @Nullable String> environment) {
        super(environment);
    }

    @Override
    List<Stage> stages() {
        return List.of(Stage.Evaluate);
    }

    @Override
    public Integer call() throws IOException {
        return eden.asked() ? eden.call(environment(), training().settings(), device()) : super.call();
    }
}
