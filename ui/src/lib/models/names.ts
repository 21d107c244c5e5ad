// Under which label names a model's name travels: `model` is ours and Triton's, `model_name` is vLLM's, SGLang's, TorchServe's.
export const MODEL_LABELS = ['model', 'model_name']
