package training.lora.trainer.cli;

import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/** Makes the subcommands. Those that read sources are told of the process's variables. */
record Commands(Function<String, @Nullable String> environment) implements CommandLine.IFactory {
    @Override
    public <K> K create(Class<K> type) throws Exception {
        if (type == RunCommand.class) {
            return type.cast(new RunCommand(environment));
        }
        if (type == TogetherCommand.class) {
            return type.cast(new TogetherCommand(environment));
        }
        if (type == RunCommand.Prepare.class) {
            return type.cast(new RunCommand.Prepare(environment));
        }
        if (type == RunCommand.Train.class) {
            return type.cast(new RunCommand.Train(environment));
        }
        if (type == EvaluateCommand.class) {
            return type.cast(new EvaluateCommand(environment));
        }
        if (type == SampleCommand.class) {
            return type.cast(new SampleCommand(environment));
        }
        if (type == MergeCommand.class) {
            return type.cast(new MergeCommand(environment));
        }
        if (type == ExportCommand.class) {
            return type.cast(new ExportCommand(environment));
        }
        if (type == ExtractCommand.class) {
            return type.cast(new ExtractCommand(environment));
        }
        if (type == VerifyRealCommand.class) {
            return type.cast(new VerifyRealCommand(environment));
        }
        return CommandLine.defaultFactory().create(type);
    }
}
