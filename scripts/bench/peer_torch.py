"""Peer: PyTorch eager, all threads.   peer_torch.py DATASET CORES RANK"""

import sys

import torch
from torch.nn.functional import cross_entropy

import torch_network
import worker


def main(dataset, cores):
    torch.set_num_threads(cores)
    images, labels = torch_network.load_tensors(dataset)

    def make_train_epoch(case):
        model = torch_network.make_model(case)
        optimizer = torch_network.make_optimizer(case, model.parameters())
        x = torch.empty(case.batch, images.shape[1])
        y = torch.empty(case.batch, dtype=torch.int64)

        def train_epoch(rows):
            for index in torch.randperm(rows).split(case.batch):
                torch.index_select(images, 0, index, out=x)
                torch.index_select(labels, 0, index, out=y)
                loss = cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            return loss.item()

        return train_epoch

    worker.serve(make_train_epoch)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
